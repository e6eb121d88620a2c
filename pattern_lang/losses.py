"""Losses for the networks of a spec: what a `unit_loss` of a language model may call.

from pattern_lang.losses import next_token_losses

def unit_loss(self, batch):
    hidden = self.trunk(batch["input_ids"])
    return next_token_losses(hidden, self.unembed.weight, batch["labels"])
"""

from pattern_lang.estimate.token_losses import next_token_losses, token_losses

__all__ = ["next_token_losses", "token_losses"]
