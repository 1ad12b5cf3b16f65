"""The only files that speak to what is outside of this program: machines, the cluster, Helm."""
