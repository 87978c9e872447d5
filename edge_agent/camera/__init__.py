"""The camera: its settings and limits, its child process and its drivers."""
