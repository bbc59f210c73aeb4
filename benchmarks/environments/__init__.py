"""What a thousand environments take, over a thousand compiled rulesets."""
