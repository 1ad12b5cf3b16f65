"""The lab: a data centre's machines on this one computer (systemd-nspawn), reached by SSH like any others."""
