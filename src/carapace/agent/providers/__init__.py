"""Language models behind one typed port: one file per vendor protocol, SDKs imported late."""
