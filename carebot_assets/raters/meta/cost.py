"""Floating-point operations of a value rater: what it costs before it saves any.

Two operations a parameter and token forward, four backward; in forward mode every product of two
has two more beside it. Attention's part that grows with the square of the length is left out, as
usual.
"""

from carebot_assets.settings.value import ValueSettings

FORWARD, STEP, WITH_TANGENTS = 2.0, 6.0, 3.0


def training(num_parameters: int, num_tokens: float) -> float:
    """An ordinary training."""
    return STEP * num_parameters * num_tokens


def scoring(num_rater_parameters: int, num_tokens: float) -> float:
    """Reading every token once."""
    return FORWARD * num_rater_parameters * num_tokens


def meta_training(plan: ValueSettings, num_rater: int, num_inner: int) -> float:
    """All of a rater's training by the adjoint sweep: reading, settling and meta-steps."""
    inner_tokens = plan.batch_size * plan.sequence_length
    outer_tokens = plan.outer_batch_size * plan.sequence_length
    weighted_step = STEP * num_inner + FORWARD * num_rater
    # The last step back needs the tangents of losses only, the others those of gradients too.
    products = WITH_TANGENTS * num_inner * (FORWARD + STEP * (plan.unroll - 1))
    meta_step = (
        plan.unroll * (weighted_step + STEP * num_rater) + products
    ) * inner_tokens + STEP * num_inner * outer_tokens
    births = plan.population * (1 + plan.meta_steps / plan.lifetime)
    read = STEP * num_rater * plan.pretrain_steps * plan.unroll * inner_tokens
    settled = births * plan.settle_steps * weighted_step * inner_tokens
    return read + settled + plan.population * plan.meta_steps * meta_step
