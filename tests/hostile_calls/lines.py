"""Valid calls beside the op table: creation, draws, indexing, tensor methods, and what is built on them.

The names are those of `tests/nn/cases.py`: `f` makes normal numbers, `p` numbers between 0 and 1,
`i` integers below a bound, `t` given values.
"""

CREATION = """
torch.tensor([[1, 2], [3, 4]], dtype=torch.float32, requires_grad=True)
torch.tensor(2.5)
torch.as_tensor([1.0, 2.0], dtype=torch.float64)
torch.asarray([1, 2], dtype=torch.int64, copy=True)
torch.from_numpy(np.ones((2, 3)))
torch.frombuffer(bytearray(b"12345678"), dtype=torch.int16, count=2, offset=2)
torch.zeros(2, 3, dtype=torch.float32)
torch.zeros((2, 3))
torch.ones(3, 1)
torch.empty(2, 3).shape
torch.empty_strided((2, 3), (1, 2)).shape
torch.full((2, 3), 1.5)
torch.full_like(f(2, 3), 7)
torch.zeros_like(f(2, 3), dtype=torch.int64)
torch.ones_like(f(2, 3))
torch.empty_like(f(2, 3)).shape
torch.rand_like(f(2, 3))
torch.randn_like(f(2, 3))
torch.randint_like(f(2, 3), 1, 5)
torch.arange(5)
torch.arange(1, 9, 2, dtype=torch.int32)
torch.arange(0.0, 1.0, 0.25)
torch.linspace(0, 1, 5)
torch.linspace(torch.tensor(0.0), torch.tensor(1.0), steps=3)
torch.logspace(0, 2, 5, base=2.0)
torch.range(0, 4, 2)
torch.eye(3, 4)
torch.eye(3)
torch.tril_indices(3, 4, 1)
torch.triu_indices(3, 4, -1)
torch.complex(f(2), f(2))
torch.sparse_coo_tensor([[0, 1], [1, 0]], [1.0, 2.0], (2, 2))
torch.sparse_coo_tensor(t([[0, 1], [1, 0]]), f(2), (2, 3)).to_dense()
torch.hann_window(5)
torch.hamming_window(5, True, 0.5, 0.4)
torch.kaiser_window(5, False, 10.0)
torch.bartlett_window(5)
torch.blackman_window(5)
torch.signal.windows.gaussian(5, std=1.5)
torch.signal.windows.general_cosine(5, a=[0.5, 0.3])
torch.signal.windows.exponential(5, tau=2.0)
torch.signal.windows.kaiser(5, beta=3.0)
torch.fft.fftfreq(5, d=0.5)
torch.fft.rfftfreq(5, d=0.5)
torch.vander(f(3), 4, True)
torch.result_type(f(2), 3)
torch.promote_types(torch.int32, torch.float16)
torch.can_cast(torch.int32, torch.bool)
torch.broadcast_shapes((2, 1), (3,))
torch.broadcast_tensors(f(2, 1), f(3))
torch.empty((2, 3), memory_format=torch.contiguous_format).shape
f(2, 3).new_zeros((2, 2))
f(2, 3).new_ones(2, 3, dtype=torch.int64)
f(2, 3).new_full((2,), 3.5)
f(2, 3).new_empty((2, 2)).shape
f(2, 3).new_tensor([1, 2])
torch.Tensor(2, 3).shape
torch.Tensor([1.0, 2.0])
torch.LongTensor([1, 2])
torch.FloatTensor(2, 3).shape
torch.ByteTensor([1, 2])
torch.Size([2, 3])
torch.device("cpu")
torch.device("cpu", 0)
torch.iinfo(torch.int8).max
torch.finfo(torch.float16).eps
torch.from_dlpack(f(2, 3).detach())
torch.meshgrid(f(2), f(3), indexing="ij")
torch.cartesian_prod(t([1, 2]), t([3, 4]))
torch.combinations(t([1, 2, 3]), r=2, with_replacement=True)
torch.block_diag(f(2, 2), f(1, 3))
torch.atleast_2d(f(2), f(3))
torch.einsum("ij,jk->ik", f(2, 3), f(3, 4))
torch.einsum("...ij,...j", f(2, 3, 4), f(2, 4))
torch.einsum(f(2, 3), [0, 1], f(3, 2), [1, 2], [0, 2])
torch.tensordot(f(2, 3), f(3, 4), dims=1)
torch.tensordot(f(2, 3, 4), f(4, 3), dims=([1, 2], [1, 0]))
torch.stft(f(20).detach().float(), 8, 4, window=torch.ones(8), return_complex=True)
torch.istft(torch.stft(f(20).detach().float(), 8, 4, window=torch.ones(8), return_complex=True), 8, 4, window=torch.ones(8))
torch.vmap(torch.sin)(f(3))
torch.vmap(torch.dot, in_dims=(0, 1), out_dims=0)(f(3, 2), f(2, 3))
torch.func.jacrev(torch.sin)(f(3))
torch.func.grad(torch.sum)(f(3))
torch.func.jvp(torch.sin, (f(3),), (f(3),))
torch.autograd.grad(f(3).sum(), [f(3)], allow_unused=True)
torch.autograd.backward([f(3).sum()], [torch.tensor(1.0, dtype=torch.float64)])
torch.autograd.functional.hessian(torch.prod, f(3))
torch.utils.checkpoint.checkpoint(torch.sin, f(3), use_reentrant=False)
""".strip().splitlines()

DRAWS = """
torch.rand(2, 3)
torch.randn(2, 3, dtype=torch.float64)
torch.randint(0, 10, (2, 3))
torch.randint(10, (3,), dtype=torch.int32)
torch.randperm(5)
torch.normal(0.0, 1.0, (2, 3))
torch.normal(f(3).detach(), p(3).detach())
torch.normal(f(3).detach(), 2.0)
torch.bernoulli(p(2, 3).detach())
torch.bernoulli(p(2, 3).detach(), 0.5)
torch.multinomial(p(2, 3).detach(), 2, replacement=True)
torch.multinomial(p(4).detach(), 3)
torch.poisson(p(2, 3).detach())
torch.binomial(torch.full((3,), 5.0), torch.full((3,), 0.5))
torch.Generator().manual_seed(5)
torch.rand(3, generator=torch.Generator().manual_seed(5))
torch.rrelu(f(2, 3), 0.1, 0.3, True)
torch.dropout(f(2, 3), 0.5, True)
torch.alpha_dropout(f(2, 3), 0.5, True)
torch.feature_dropout(f(2, 3, 4), 0.5, True)
torch.native_dropout(f(2, 3), 0.5, True)
torch.zeros(3).uniform_(-1, 2)
torch.zeros(3).normal_(0.5, 2.0)
torch.zeros(3).random_(1, 9)
torch.zeros(3).bernoulli_(0.5)
torch.zeros(3).bernoulli_(torch.tensor([0.1, 0.5, 0.9]))
torch.zeros(3).exponential_(2.0)
torch.zeros(3).geometric_(0.5)
torch.zeros(3).cauchy_(0.5, 1.0)
torch.zeros(3).log_normal_(0.5, 1.0)
torch.set_rng_state(torch.get_rng_state())
torch.Generator().set_state(torch.Generator().get_state())
F.gumbel_softmax(f(2, 3), 0.5, True)
F.dropout(f(2, 3), 0.5)
F.dropout2d(f(2, 3, 4, 4), 0.5)
F.alpha_dropout(f(2, 3), 0.5, True)
F.feature_alpha_dropout(f(2, 3, 4), 0.5, True)
F.fractional_max_pool2d(f(1, 2, 6, 6), 2, output_size=(3, 3))
torch.utils.data.random_split(range(5), [2, 3], torch.Generator().manual_seed(0))
""".strip().splitlines()

INDEXING = """
f(3, 4)[1]
f(3, 4)[1, 2]
f(3, 4)[1:3, ::2]
f(3, 4)[..., None, 1]
f(3, 4)[[0, 2]]
f(3, 4)[t([0, 2]), t([1, 1])]
f(3, 4)[t([[0, 2], [1, 1]])]
f(3, 4)[t([True, False, True])]
f(3, 4)[f(3, 4) > 0]
f(3, 4)[:, t([True, False, True, True])]
f(3, 4, 2)[1, t([0, 1]), :]
f(3, 4, 2)[t([0, 1]), :, t([1, 0])]
f(3, 4)[True]
x = f(3, 4) * 1; x[1] = 5.0; x
x = f(3, 4) * 1; x[1] = f(4); x
x = f(3, 4) * 1; x[1:, ::2] = f(2, 2); x
x = f(3, 4) * 1; x[t([0, 2])] = f(2, 4); x
x = f(3, 4) * 1; x[t([0, 2]), t([1, 1])] = 3; x
x = f(3, 4) * 1; x[x > 0] = 0.0; x
x = f(3, 4) * 1; x[..., 0] += 1; x
x = f(3, 4) * 1; x[[0, 1]] *= 2; x
x = torch.zeros(3, 4); x[1, 2] = 3; x
x = torch.zeros(3, 4); x[torch.tensor([1, 2])] = torch.ones(2, 4); x
x = torch.zeros(3, 4); x[:, 1] = torch.ones(3); x
f(3, 4).index_put((t([0, 2]),), f(2, 4), True)
(f(3, 4) * 1).index_put_((t([0, 2]), t([1, 1])), f(2), accumulate=True)
(f(3, 4) * 1).put_(t([0, 5]), f(2), True)
(f(3, 4) * 1).scatter_(1, t([[0, 1], [2, 3]]), f(2, 2))
(f(3, 4) * 1).scatter_(0, t([[0, 1], [2, 2]]), 1.5, reduce="add")
(f(3, 4) * 1).scatter_add_(1, t([[0, 1], [2, 3]]), f(2, 2))
(f(3, 4) * 1).scatter_reduce_(1, t([[0, 1], [2, 3]]), f(2, 2), "amax", include_self=False)
(f(3, 4) * 1).index_add_(0, t([0, 2]), f(2, 4), alpha=2)
(f(3, 4) * 1).index_copy_(0, t([0, 2]), f(2, 4))
(f(3, 4) * 1).index_fill_(1, t([0, 2]), 3.5)
(f(3, 4) * 1).index_reduce_(0, t([0, 2]), f(2, 4), "prod", include_self=True)
(f(3, 4) * 1).masked_fill_(f(3, 4) > 0, 2.0)
(f(3, 4) * 1).masked_scatter_(f(3, 4) > 0, f(12))
f(3, 4).take(t([0, 5, 11]))
f(3, 4).gather(1, t([[0, 1], [2, 3]]))
f(3, 4).index_select(0, t([0, 2]))
f(3, 4).take_along_dim(t([[0], [1], [2]]), 1)
f(3, 4).masked_select(f(3, 4) > 0)
F.one_hot(t([0, 2, 1]), 4)
F.embedding(t([0, 2, 1]), f(4, 3), padding_idx=1, max_norm=None)
F.embedding_bag(t([0, 2, 1, 1]), f(4, 3), t([0, 2]), mode="mean")
torch.bincount(t([0, 2, 1]), t([0.5, 1.0, 2.0]), minlength=5)
torch.histc(f(10).detach(), 5, -1, 1)
torch.histogram(f(10).detach(), 5, range=(-1.0, 1.0))
torch.searchsorted(t([1, 3, 5]), t([2, 4]), right=True, sorter=t([0, 1, 2]))
torch.bucketize(t([2.0, 4.0]), t([1.0, 3.0, 5.0]))
torch.nn.functional.cross_entropy(f(3, 4), t([0, 3, 1]), ignore_index=-100)
torch.nn.functional.nll_loss(f(3, 4), t([0, 3, 1]))
torch.unravel_index(t([3, 5]), (2, 3))
torch.repeat_interleave(f(3), t([1, 0, 2]), dim=0, output_size=3)
torch.nn.utils.rnn.pad_sequence([f(3), f(2)], batch_first=True, padding_value=0.5)
torch.nn.utils.rnn.pack_padded_sequence(f(4, 2, 3), [4, 2], enforce_sorted=True)
torch.nn.utils.rnn.pad_packed_sequence(torch.nn.utils.rnn.pack_padded_sequence(f(4, 2, 3), [4, 2]))
""".strip().splitlines()

METHODS = """
f(2, 3).to(torch.float32, copy=True)
f(2, 3).to("cpu", torch.float16)
f(2, 3).to(f(1).detach())
f(2, 3).type(torch.int64)
f(2, 3).type("torch.FloatTensor")
f(2, 3).type_as(f(1))
f(2, 3).view(3, 2)
f(2, 3).view(torch.int64)
f(2, 3).view_as(f(3, 2))
f(2, 3).reshape(-1, 2)
f(2, 3).reshape_as(f(3, 2))
f(2, 3).expand(4, 2, 3)
f(2, 3).expand_as(f(4, 2, 3))
f(2, 3).repeat(2, 2)
f(2, 3).tile((2, 2))
f(2, 3).permute(1, 0)
f(2, 3).size(1)
f(2, 3).stride(0)
f(2, 3).item()
f(1).item()
f(2, 3).tolist()
f(2, 3).numpy(force=True)
f(2, 3).unfold(1, 2, 1)
f(2, 3).as_strided((2, 2), (1, 2), 1)
f(2, 3).split(1, dim=1)
f(2, 3).split([1, 2], 1)
f(2, 3).chunk(2, 1)
f(2, 3).tensor_split(2, 1)
f(2, 3).tensor_split((1, 2), 1)
f(2, 3).unbind(1)
f(2, 3).contiguous(memory_format=torch.contiguous_format)
f(2, 3).clone(memory_format=torch.preserve_format)
f(2, 3).requires_grad_(True)
f(2, 3).register_hook(lambda g: g)
f(2, 3).sum().backward(retain_graph=True)
f(2, 3).backward(torch.ones(2, 3, dtype=torch.float64))
f(2, 3).is_set_to(f(2, 3))
f(2, 3).as_subclass(torch.Tensor)
f(2, 3).to_sparse(1)
f(2, 3).element_size()
f(2, 3).data_ptr() > 0
f(2, 3).storage_offset()
f(2, 3).untyped_storage().nbytes()
f(2, 3).storage().size()
x = torch.zeros(2, 3); x.resize_(3, 4).shape
x = torch.zeros(2, 3); x.resize_as_(f(2, 2)).shape
x = torch.zeros(2, 3); x.set_(torch.ones(4)); x
x = torch.zeros(2, 3); x.set_(torch.ones(4).untyped_storage(), 1, (2,), (1,)); x
x = torch.zeros(2, 3); x.copy_(f(3)); x
x = torch.zeros(2, 3); x.fill_(2.5); x
x = torch.zeros(2, 3); x.fill_diagonal_(2.5, wrap=True); x
x = torch.zeros(2, 3); x.transpose_(0, 1).unsqueeze_(0).squeeze_(0); x
x = torch.zeros(2, 3); x.data = torch.ones(3); x
x = torch.zeros(2, 3); x.grad = torch.ones(2, 3); x
x = torch.zeros(2, 3); x.requires_grad = True; x
x = torch.zeros(2, 3); x.copy_(torch.ones(1).expand(2, 3), non_blocking=True); x
f(2, 3) + 2
f(2, 3) - f(3)
f(2, 3) * f(2, 1)
f(2, 3) / 2.5
f(2, 3) // 2
f(2, 3) % 2
f(2, 3) ** 2
2 ** f(2, 3)
f(2, 3) @ f(3, 2)
t([1, 2]) & 3
t([1, 2]) | t([4, 4])
t([1, 2]) ^ True
t([1, 2]) << 2
t([1, 2]) >> 1
x = f(2, 3) * 1; x += 2; x
x = f(2, 3) * 1; x -= f(3); x
x = f(2, 3) * 1; x *= f(2, 1); x
x = f(2, 3) * 1; x /= 2; x
x = f(2, 3) * 1; x **= 2; x
x = torch.arange(4); x //= 2; x
x = torch.arange(4); x &= 3; x
x = torch.arange(4); x <<= 1; x
f(2, 3).apply_(lambda v: v + 1)
torch.zeros(2, 3).apply_(lambda v: v + 1)
torch.zeros(2, 3).map_(torch.ones(2, 3), lambda a, b: a + b)
torch.equal(f(2, 3), f(2, 3))
torch.allclose(f(2, 3), f(2, 3), 1e-5, 1e-8, equal_nan=True)
torch.isclose(f(2, 3), f(2, 3), 1e-5, 1e-8)
torch.is_nonzero(f(1))
torch.polygamma(1, p(3))
f(2, 3).to_dense()
f(2, 3).new_empty_strided((2, 2), (2, 1)).shape
f(2, 3).dim_order()
torch.lstm(f(5, 2, 3).float(), [torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)], [torch.ones(16, 3), torch.ones(16, 4)], False, 1, 0.0, False, False, False)
torch.gru(f(5, 2, 3).float(), torch.zeros(1, 2, 4), [torch.ones(12, 3), torch.ones(12, 4)], False, 1, 0.0, False, False, False)
torch.rnn_tanh(f(5, 2, 3).float(), torch.zeros(1, 2, 4), [torch.ones(4, 3), torch.ones(4, 4)], False, 1, 0.0, False, False, False)
torch.frobenius_norm(f(2, 3), [0, 1])
torch.nuclear_norm(f(2, 3), [0, 1], True)
torch.lobpcg(torch.eye(9), 2)
torch.cdist(f(2, 3), f(4, 3), p=2.0)
torch.unique(t([3, 1, 1]), return_inverse=True, return_counts=True, dim=0)
torch.unique_consecutive(t([3, 1, 1]), return_counts=True)
torch.nn.utils.clip_grad_norm_([f(3)], 1.0, norm_type=2.0)
torch.nn.utils.clip_grad_value_([f(3)], 1.0)
torch.nn.utils.parameters_to_vector([f(2, 3), f(3)])
torch.nn.utils.vector_to_parameters(f(9), [f(2, 3), f(3)])
torch.linalg.lstsq(f(3, 2).detach(), f(3, 1).detach(), rcond=0.1, driver="gelsd")
torch.linalg.matrix_rank(f(3, 2), atol=0.1, rtol=0.2, hermitian=False)
torch.linalg.matrix_power(f(3, 3), -2)
torch.linalg.multi_dot([f(2, 3), f(3, 4), f(4, 2)])
torch.linalg.cond(f(3, 3), p="fro")
torch.linalg.vector_norm(f(2, 3), 3, (0, 1), True, dtype=torch.float64)
torch.linalg.matrix_norm(f(2, 3), "nuc", (0, 1), True)
torch.linalg.norm(f(2, 3), ord=2, dim=(0, 1))
torch.linalg.qr(f(3, 2), mode="complete")
torch.linalg.svd(f(3, 2), full_matrices=False)
torch.linalg.solve_triangular(f(3, 3), f(3, 2), upper=True, left=True)
torch.linalg.tensorsolve(torch.eye(6).reshape(2, 3, 6), f(2, 3).float(), dims=None)
torch.linalg.tensorinv(torch.eye(6).reshape(2, 3, 6), ind=2)
torch.linalg.ldl_solve(*torch.linalg.ldl_factor(torch.eye(3)), torch.ones(3, 1))
torch.linalg.lu_solve(*torch.linalg.lu_factor(torch.eye(3)), torch.ones(3, 1), left=True)
torch.sparse.mm(torch.eye(3).to_sparse(), torch.ones(3, 2))
torch.sparse.softmax(torch.eye(3).to_sparse(), 1)
torch.sparse.sum(torch.eye(3).to_sparse(), 1)
torch.fft.fftn(f(2, 3), s=(2, 2), dim=(0, 1), norm="ortho")
torch.fft.irfft(f(5), n=6, dim=0, norm="forward")
torch.fft.hfft(f(5), 6)
torch.nn.functional.affine_grid(f(1, 2, 3), (1, 1, 3, 3), align_corners=False)
torch.nn.functional.grid_sample(f(1, 1, 3, 3), f(1, 2, 2, 2), mode="bilinear", padding_mode="zeros", align_corners=True)
torch.nn.functional.multi_head_attention_forward(f(3, 2, 4), f(3, 2, 4), f(3, 2, 4), 4, 2, f(12, 4), f(12), None, None, False, 0.0, f(4, 4), f(4))
torch.utils.data.default_collate([torch.ones(2), torch.zeros(2)])
next(iter(torch.utils.data.DataLoader(range(6), batch_size=2, shuffle=False, drop_last=True)))
torch.utils.data.TensorDataset(f(3, 2), f(3))[1]
torch.utils.data.Subset(range(5), [0, 1])[1]
list(torch.utils.data.BatchSampler(torch.utils.data.SequentialSampler(range(5)), 2, False))
""".strip().splitlines()

OPTIMIZERS = """
optim.SGD([{}], lr=0.1, momentum=0.9, dampening=0.0, weight_decay=0.01, nesterov=True)
optim.SGD([{{'params': [{}], 'lr': 0.1}}], lr=0.2)
optim.Adam([{}], lr=0.1, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.01, amsgrad=True)
optim.AdamW([{}], 0.1, (0.9, 0.99), maximize=True, foreach=False)
optim.Adamax([{}], lr=0.1, betas=(0.9, 0.99))
optim.NAdam([{}], lr=0.1, momentum_decay=0.004)
optim.RAdam([{}], lr=0.1, decoupled_weight_decay=True)
optim.Adagrad([{}], lr=0.1, lr_decay=0.1, initial_accumulator_value=0.1)
optim.Adadelta([{}], lr=0.1, rho=0.9)
optim.RMSprop([{}], lr=0.1, alpha=0.9, momentum=0.5, centered=True)
optim.Rprop([{}], lr=0.1, etas=(0.5, 1.2), step_sizes=(1e-6, 50))
optim.ASGD([{}], lr=0.1, lambd=1e-4, alpha=0.75, t0=2)
optim.Adafactor([{}], lr=0.1, beta2_decay=-0.8, d=1.0)
optim.Muon([{}], lr=0.1, momentum=0.9, ns_steps=2)
optim.LBFGS([{}], lr=0.1, max_iter=2, history_size=3)
optim.SparseAdam([{}], lr=0.1)
""".strip().splitlines()

STEPPED = """
o = {}; x0.sum().backward(); o.step(lambda: x0.sum()); x0
o = {}; x0.grad = torch.ones(3, 2); o.step(); o.zero_grad(set_to_none=True); x0
o = {}; o.load_state_dict(o.state_dict()); o.add_param_group({{'params': [torch.zeros(2, requires_grad=True)]}})
""".strip().splitlines()

SCHEDULERS = """
optim.lr_scheduler.StepLR(o, 2, gamma=0.5)
optim.lr_scheduler.MultiStepLR(o, [1, 3], gamma=0.5)
optim.lr_scheduler.ExponentialLR(o, 0.9)
optim.lr_scheduler.CosineAnnealingLR(o, 5, eta_min=0.01)
optim.lr_scheduler.LambdaLR(o, lambda e: 0.9)
optim.lr_scheduler.LinearLR(o, 0.5, 1.0, 3)
optim.lr_scheduler.ConstantLR(o, 0.5, 3)
optim.lr_scheduler.PolynomialLR(o, 3, 2.0)
optim.lr_scheduler.CyclicLR(o, 0.1, 0.2, 3, mode='triangular')
optim.lr_scheduler.OneCycleLR(o, 0.2, total_steps=5, pct_start=0.3)
optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 2, 2)
""".strip().splitlines()

DISTRIBUTIONS = """
D.Bernoulli(probs=p(2, 3))
D.Bernoulli(logits=f(2, 3))
D.Beta(p(2, 3), p(3))
D.Binomial(5, probs=p(2, 3))
D.Categorical(probs=p(2, 3))
D.Categorical(logits=f(2, 3))
D.Cauchy(f(2, 3), p(3))
D.Chi2(p(3))
D.ContinuousBernoulli(probs=p(3))
D.Dirichlet(p(2, 3))
D.Exponential(p(3))
D.FisherSnedecor(p(3), p(3))
D.Gamma(p(2, 3), p(3))
D.GeneralizedPareto(f(3), p(3), p(3))
D.Geometric(probs=p(3))
D.Gumbel(f(3), p(3))
D.HalfCauchy(p(3))
D.HalfNormal(p(3))
D.Independent(D.Normal(f(2, 3), p(3)), 1)
D.InverseGamma(p(3), p(3))
D.Kumaraswamy(p(3), p(3))
D.LKJCholesky(3, p(2))
D.Laplace(f(3), p(3))
D.LogNormal(f(3), p(3))
D.LogisticNormal(f(3), p(3))
D.LowRankMultivariateNormal(f(3), f(3, 2), p(3))
D.MixtureSameFamily(D.Categorical(probs=p(3)), D.Normal(f(3), p(3)))
D.Multinomial(5, probs=p(3))
D.MultivariateNormal(f(3), covariance_matrix=torch.eye(3).double())
D.NegativeBinomial(5, probs=p(3))
D.Normal(f(2, 3), p(3))
D.Normal(0.0, 1.0)
D.OneHotCategorical(probs=p(3))
D.Pareto(p(3), p(3))
D.Poisson(p(3))
D.RelaxedBernoulli(torch.tensor(0.5), probs=p(3))
D.RelaxedOneHotCategorical(torch.tensor(0.5), probs=p(3))
D.StudentT(p(3), f(3), p(3))
D.TransformedDistribution(D.Normal(f(3), p(3)), [D.ExpTransform(), D.AffineTransform(0.5, 2.0)])
D.Uniform(0.0, 1.0)
D.VonMises(f(3), p(3))
D.Weibull(p(3), p(3))
D.Wishart(torch.tensor(5.0), torch.eye(3))
""".strip().splitlines()

ASKED = [
    "d = {}; d.sample((2,))", "d = {}; d.log_prob(d.sample())", "d = {}; d.log_prob(torch.tensor(0.5))",
    "d = {}; d.expand((4, 2, 3)).mean", "d = {}; d.entropy()", "d = {}; d.cdf(torch.tensor(0.5))",
    "d = {}; d.variance", "d = {}; D.kl_divergence(d, d)", "d = {}; d.rsample(torch.Size((2,)))",
    "d = {}; d.icdf(torch.tensor(0.5))",
]  # fmt: skip
