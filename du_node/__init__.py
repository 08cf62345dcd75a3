"""du-node: the only program of ours that runs on a node. Standard library only, Python 3.10 or newer.

It brings the node's services to what is wanted (``apply``), says how they are (``status``) and looks after
them between two applies (``serve``). See docs/du-node.md.
"""

__version__ = "0.1.0"
