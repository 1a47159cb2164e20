"""Whether it helped: losses, accuracy, and mixtures compared with uniform.

Importing the room loads nothing; its modules are imported by name.
"""
