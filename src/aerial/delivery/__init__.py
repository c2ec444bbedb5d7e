"""From the outbox to destinations, and back: deliveries that are proved, notes that are not."""
