"""Clients that write to a store every 50 ms and prove that nothing acknowledged is lost; they run in pods."""
