"""The commands of `waitline`, a module each family; `stream.cli` joins them.

Heavy modules are imported inside the commands, so that `waitline --help` answers at once.
"""
