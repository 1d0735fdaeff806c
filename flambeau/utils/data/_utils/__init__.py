"""How DataLoader does its work; nothing here is public."""
