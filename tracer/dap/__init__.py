"""A recording as a debug session of an editor: a server of the Debug Adapter Protocol.

Every movement is one of `tracer.stepper`'s; here is only what the protocol asks beside it.
"""
