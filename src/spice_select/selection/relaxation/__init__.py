"""The concave relaxation of log det: upper bounds by its tangents, and weights whose tangent is a good one.

`constraint` is what a choice may hold; `tangents` improves weights by passes over the rows (`passes`); `bounds` are the
bounds that follow, from `factor`s and from α‖Bg‖² of every row, which `brackets` finds no more exactly than it takes,
and `tally` without anything as long as the rows. docs/diagnosis.md has the derivations.
"""
