"""Tests of the MySQL group: its scripts, and real members on the rig."""
