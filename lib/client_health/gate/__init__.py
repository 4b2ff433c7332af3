"""The checks before anything is published, and the counts behind them."""
