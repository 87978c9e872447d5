"""The fault suite of the machine: what can befall a node and its broker, really done to a real agent.

`make machine-faults` does each fault and prints a table: how long it lasted, what status, problems and events
said and when (in seconds since it began; `+` a problem that was raised, `-` one that was solved, `log:` what
only the log can say while there is no broker), and how long everything took to be well again.
`python -m tests.machine_faults "disk full"` does one. The files of tests here are the quick form.

brokers.py   killed, restarted with nothing, frozen, cut off without a word, its name gone or not looked up
identity.py  a second client of the same name, certificates that ran out and are renewed
clock.py     the wall clock a year ahead, and back
disks.py     full, read-only, gone bad under the agent
limits.py    no file descriptor left, no memory left for the camera
power.py     the power cut at any moment
damage.py    every file of the state directory cut at every length; some lengths, turned bits and nonsense are
             in tests/integration/test_damaged_state.py
catalogue.py all of them, and how long each lasts
machine.py   namespaces and disks of one's own: the real machine's clock, network and mounts are left alone
house.py     a broker, a listener and an agent, and what they said

The stream's server has a suite of its own: tests/faults.
"""
