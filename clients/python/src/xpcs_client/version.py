"""Version of this package, for the handshake: central talks to those one minor version apart at most."""

VERSION = "0.1.0"
