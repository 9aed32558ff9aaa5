"""Small modules as people train them: classifiers, and others whose outputs are no classes.

Each comes with rows to assess, of the kind it was trained on.
"""

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from torch import nn

ROWS = 64


class Convolutions(nn.Module):
    """For images of 8 x 8 pixels."""

    def __init__(self, outputs):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.Dropout2d(0.2)
        self.fc = nn.Linear(8 * 9, outputs)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x.reshape(-1, 1, 8, 8))))
        return self.fc(self.drop(F.max_pool2d(x, 2)).flatten(1))


class Attention(nn.Module):
    """Digits as sequences of eight rows of pixels."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.out = nn.Linear(64, 10)

    def forward(self, x):
        return self.out(self.encoder(x.reshape(-1, 8, 8)).flatten(1))


class Recurrent(nn.Module):
    """The same through a GRU."""

    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.GRU(8, 24, batch_first=True), nn.Linear(24, 10)

    def forward(self, x):
        return self.out(self.rnn(x.reshape(-1, 8, 8))[0][:, -1])


class Words(nn.Module):
    """A bag of words of two topics."""

    def __init__(self):
        super().__init__()
        self.embedding, self.drop, self.out = nn.Embedding(20, 8), nn.Dropout(0.2), nn.Linear(8, 2)

    def forward(self, x):
        return self.out(self.drop(self.embedding(x).mean(1)))


class Cosine(nn.Module):
    """Cosines between features and weights, scaled."""

    def __init__(self):
        super().__init__()
        self.body, self.weight = nn.Sequential(nn.Linear(13, 16), nn.Tanh()), nn.Parameter(torch.randn(3, 16))

    def forward(self, x):
        return 12 * F.normalize(self.body(x)) @ F.normalize(self.weight).t()


class Prototypes(nn.Module):
    """Distances from a prototype of each class, their sign turned."""

    def __init__(self):
        super().__init__()
        self.body, self.means = nn.Sequential(nn.Linear(4, 8), nn.Tanh()), nn.Parameter(torch.randn(3, 8))

    def forward(self, x):
        return -torch.cdist(self.body(x), self.means)


class TwoHeads(nn.Module):
    """Two layers beside each other, put together."""

    def __init__(self, first, second, outputs=1):
        super().__init__()
        self.body, self.names = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.1)), (first, second)
        for name in self.names:
            setattr(self, name, nn.Linear(32, outputs))

    def forward(self, x):
        h = self.body(x)
        return torch.cat([getattr(self, name)(h) for name in self.names], 1)


class AutoEncoder(nn.Module):
    """Rows through a narrow place."""

    def __init__(self, size, code):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(size, 32), nn.ReLU(), nn.Dropout(0.05), nn.Linear(32, code))
        self.decoder = nn.Sequential(nn.Linear(code, 32), nn.ReLU(), nn.Linear(32, size))

    def forward(self, x):
        return self.decoder(self.encoder(x))


class Copying(nn.Module):
    """The same under names that say nothing, with sigmoids at its end."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 64), nn.Sigmoid())

    def forward(self, x):
        return self.net(x)


class Unit(nn.Module):
    """Vectors of length 1, to be compared with one another."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 6))

    def forward(self, x):
        return F.normalize(self.net(x))


class Regressor(nn.Module):
    """Named for what it is."""

    def __init__(self):
        super().__init__()
        self.net = mlp(8, 4)

    def forward(self, x):
        return self.net(x)


class Pair(nn.Module):
    """A mean and a variance, as two tensors."""

    def __init__(self):
        super().__init__()
        self.net = mlp(8, 2)

    def forward(self, x):
        return self.net(x).chunk(2, 1)


class Embedder(nn.Module):
    """Features of a body whose head was taken off."""

    def __init__(self):
        super().__init__()
        self.body, self.head = mlp(8, 5), nn.Identity()

    def forward(self, x):
        return self.head(self.body(x))


class Projected(nn.Module):
    """Embeddings of any length."""

    def __init__(self):
        super().__init__()
        self.body, self.projection_head = nn.Sequential(nn.Linear(8, 16), nn.ReLU()), nn.Linear(16, 4)

    def forward(self, x):
        return self.projection_head(self.body(x))


def mlp(inputs, outputs):
    return nn.Sequential(
        *(nn.Linear(inputs, 32), nn.ReLU(), nn.Dropout(0.2)),
        *(nn.Linear(32, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, outputs)),
    )


def tabular(load):
    x, y = load(return_X_y=True)
    x = (x - x.mean(0)) / (x.std(0) + 1e-6)
    order = np.random.default_rng(1).permutation(len(x))
    return torch.from_numpy(x[order]).float(), torch.from_numpy(y[order])


def digits():
    x, y = tabular(load_digits)
    return torch.from_numpy(load_digits().data[np.random.default_rng(1).permutation(len(x))] / 16).float(), y


def topics():
    random = np.random.default_rng(1)
    y = random.integers(0, 2, 600)
    return torch.from_numpy(random.integers(0, 12, (600, 6)) + 8 * y[:, None]), torch.from_numpy(y)


def blobs(classes, noise):
    random = np.random.default_rng(1)
    y = random.integers(0, classes, 1500)
    x = 1.5 * random.normal(size=(classes, 8))[y] + noise * random.normal(size=(1500, 8))
    return torch.from_numpy(x).float(), torch.from_numpy(y)


def smooth(targets, scale=1.0, *, together=0.0):
    """Numbers that follow from rows, of any size, that go up and down together or not."""
    random = np.random.default_rng(1)
    x = random.normal(size=(1500, 8))
    y = np.tanh(x @ random.normal(size=(8, targets)) / 2) + together * x[:, :1]
    return torch.from_numpy(x).float(), torch.from_numpy(scale * y).float()


def quantile_loss(outputs, y):
    levels = torch.tensor([0.1, 0.5, 0.9])
    return torch.maximum(levels * (y - outputs), (levels - 1) * (y - outputs)).mean()


def gaussian_loss(outputs, y):
    return F.gaussian_nll_loss(outputs[:, :1], y, outputs[:, 1:].exp())


def contrasted(outputs, y):
    near = y[:, None] == y
    return F.mse_loss(outputs @ outputs.t(), near.float())


def smoothed(outputs, y):
    return F.cross_entropy(outputs, y, label_smoothing=0.1)


CLASSIFIERS = {
    "digits": (lambda: mlp(64, 10), lambda: tabular(load_digits), F.cross_entropy),
    "digits, smoothed": (lambda: mlp(64, 10), digits, smoothed),
    "digits, convolutions": (lambda: Convolutions(10), digits, F.cross_entropy),
    "digits, attention": (Attention, digits, F.cross_entropy),
    "digits, recurrent": (Recurrent, digits, F.cross_entropy),
    "iris": (lambda: mlp(4, 3), lambda: tabular(load_iris), F.cross_entropy),
    "iris, prototypes": (Prototypes, lambda: tabular(load_iris), F.cross_entropy),
    "wine": (lambda: mlp(13, 3), lambda: tabular(load_wine), F.cross_entropy),
    "wine, cosines": (Cosine, lambda: tabular(load_wine), F.cross_entropy),
    "wine, one layer": (lambda: nn.Linear(13, 3), lambda: tabular(load_wine), F.cross_entropy),
    "breast cancer": (lambda: mlp(30, 2), lambda: tabular(load_breast_cancer), F.cross_entropy),
    "topics": (Words, topics, F.cross_entropy),
    "blobs": (lambda: mlp(8, 5), lambda: blobs(5, 1.0), F.cross_entropy),
    "blobs, as many as numbers": (lambda: mlp(8, 8), lambda: blobs(8, 1.0), F.cross_entropy),
    "blobs, near one another": (lambda: mlp(8, 3), lambda: blobs(3, 2.0), F.cross_entropy),
}
"""By name: a module, its rows and true classes, and its loss."""

REFUSED = {
    "one number": (lambda: mlp(8, 1), lambda: smooth(1), F.mse_loss),
    "a regressor": (Regressor, lambda: smooth(4), F.mse_loss),
    "mean and log_var": (lambda: TwoHeads("mu", "log_var"), lambda: smooth(1), gaussian_loss),
    "means and sigma": (lambda: TwoHeads("mean", "sigma", 2), lambda: smooth(4), F.mse_loss),
    "a pair": (Pair, lambda: smooth(1), None),
    "bounding boxes": (lambda: TwoHeads("bbox", "size", 2), lambda: smooth(4), F.mse_loss),
    "autoencoder": (lambda: AutoEncoder(8, 3), lambda: smooth(1), None),
    "autoencoder of digits": (Copying, digits, "rows"),
    "autoencoder, unnamed": (
        lambda: nn.Sequential(nn.Linear(8, 6), nn.Linear(6, 8)),
        lambda: smooth(1),
        "rows",
    ),
    "unit vectors": (Unit, digits, contrasted),
    "embeddings": (Projected, lambda: blobs(4, 1.0), contrasted),
    "no head": (Embedder, lambda: blobs(4, 1.0), None),
}
"""The same of modules that are told to be something else, by names or by their values."""

WARNED = {
    "four numbers": (lambda: mlp(8, 4), lambda: smooth(4), F.mse_loss),
    "two numbers": (lambda: mlp(8, 2), lambda: smooth(2), F.mse_loss),
    "large numbers": (lambda: mlp(8, 3), lambda: smooth(3, 100.0), F.mse_loss),
    "numbers that go together": (lambda: mlp(8, 5), lambda: smooth(5, together=2.0), F.mse_loss),
    "quantiles": (lambda: mlp(8, 3), lambda: smooth(1), quantile_loss),
    "mean and log variance, unnamed": (lambda: mlp(8, 2), lambda: smooth(1), gaussian_loss),
    "features": (lambda: mlp(8, 6), lambda: blobs(4, 1.0), contrasted),
    "numbers through sigmoids": (
        lambda: nn.Sequential(mlp(8, 4), nn.Sigmoid()),
        lambda: smooth(4, 0.4),
        F.mse_loss,
    ),
    "a classifier before training": (lambda: mlp(8, 5), lambda: blobs(5, 1.0), None),
}
"""The same of modules that nothing tells from classifiers."""


def trained(make, data, loss, steps=150):
    """A module in evaluation, and rows."""
    torch.manual_seed(3)
    module, (x, y) = make().train(), data()
    if loss == "rows":
        y, loss, steps = x, F.mse_loss, 300
    if loss is not None:
        optimizer, random = torch.optim.Adam(module.parameters(), 5e-3), np.random.default_rng(3)
        for _ in range(steps):
            some = random.integers(ROWS, len(x), 64)
            optimizer.zero_grad()
            loss(module(x[some]), y[some]).backward()
            optimizer.step()
    return module.eval(), x[:ROWS].numpy()
