"""The list of makers of layers.

A maker takes a Kit and the shape of an example, and gives a layer, or None if the shape does not
suit it. MAKERS holds for each the numbers of axes that it takes and the Keras that has it.
"""

MAKERS = {}


def maker(*ranks, since=(2, 0)):
    def register(make):
        MAKERS[make.__name__] = (ranks, make, since)
        return make

    return register


def available(kit):
    return [name for name, (_, _, since) in MAKERS.items() if since <= kit.version]


def ranks(name):
    return MAKERS[name][0]


def make(kit, name, shape):
    """A layer of that class for examples of that shape, or None."""
    takes, maker_of, since = MAKERS[name]
    if len(shape) not in takes or kit.version < since:
        return None
    return maker_of(kit, shape)
