"""Learning-rate schedules."""

from torch.optim.lr_scheduler import OneCycleLR


def one_cycle(optimizer, epochs, warmup_share=0.1):
    """ESANet's schedule: one cycle over the epochs, stepped once each.

    Starts at 1/25 of the optimizer's learning rate, reaches it after `warmup_share` of the epochs
    and ends at 1/250,000 of it, by cosines. As in ESANet, torch's default cycles the momentum too
    (0.95 to 0.85 and back).
    """
    if warmup_share * epochs == 1:
        warmup_share *= 1.001  # torch divides by the length of the warm-up less one step
    return OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=max(epochs, 2),  # a run of one epoch trains in the middle of a cycle of two
        div_factor=25,
        pct_start=warmup_share,
        anneal_strategy="cos",
        final_div_factor=1e4,
    )
