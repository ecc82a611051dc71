"""The small network: its tables against torch's distributions and autograd."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Independent

from helpers.experiments.small_network import DATA, MOST_BITS, codes, small_network


@pytest.mark.parametrize("bits", [1, 3, MOST_BITS])
def test_tables_are_those_of_torchs_distributions(bits: int):
    network = small_network(bits)
    offset = network.offset.clone().requires_grad_()
    z = network.z.unsqueeze(1)  # [outcomes, 1, bits]
    prior = Independent(Bernoulli(logits=network.prior), 1)
    likelihood = Independent(Bernoulli(logits=z @ network.weight + network.bias), 1)
    q = Independent(Bernoulli(logits=DATA @ network.encoder + offset), 1)
    torch.testing.assert_close(network.log_joint, prior.log_prob(z) + likelihood.log_prob(DATA))
    torch.testing.assert_close(network.log_q, q.log_prob(z).detach())
    torch.testing.assert_close(network.log_q.exp().sum(0), torch.ones(len(DATA), dtype=torch.float64))
    outcome, datum = 2**bits - 2, 1
    (score,) = torch.autograd.grad(q.log_prob(z)[outcome, datum], offset)
    torch.testing.assert_close(network.score[outcome, datum], score)


def test_codes_count_in_binary_and_the_first_bit_is_the_highest():
    assert codes(2).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_a_smaller_network_is_the_first_bits_of_a_larger_one_and_makes_no_draws():
    before = torch.get_rng_state()
    small, large = small_network(2), small_network(5)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(small.weight, large.weight[:2]) and torch.equal(small.encoder, large.encoder[:, :2])
    assert torch.equal(small.prior, large.prior[:2]) and torch.equal(small.offset, large.offset[:2])
