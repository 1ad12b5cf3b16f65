"""The drill: every fault, every store, again and again, on the running lab; its report goes to docs/results/drill/."""
