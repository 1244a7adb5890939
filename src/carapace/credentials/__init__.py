"""Our own keys: what the gateway must keep secret and still be able to read.

`ports.Vault` is a small map of named secrets; `sealed.SealedVault` keeps it in an encrypted
file whose key comes from `keysource` (a passphrase file, the desktop's keyring, or a key
file). No other room stores a secret, and nothing here knows what the secrets are for.
"""
