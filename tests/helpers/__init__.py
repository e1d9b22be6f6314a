"""What test modules share: keys, certificates, and messages legal and illegal."""
