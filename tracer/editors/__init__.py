"""What editors need beside the server of `tracer.dap`."""
