"""The smoke run, behind `make smoke`: checks on a throwaway account what no emulator can show.

``table`` has the rows of docs/deploy.md and the checks that settle them; ``order`` lists the
checks; ``run`` runs them and always removes what was made; ``report`` writes the result without
names of the account.
"""
