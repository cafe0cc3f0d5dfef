"""The tests of Backscroll."""
