"""Hosts: small networks to grow on the tasks. Each calls its hidden layers ``blocks``."""
