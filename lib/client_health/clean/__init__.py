"""Row processing: normalization, rules, ids, and one row per person."""
