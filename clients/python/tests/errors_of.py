"""What a call is refused with."""

from xpcs_client.errors import XpcsError


def code_of(run):
    """The code of the error that a call ends with; None: it does not."""
    try:
        run()
    except XpcsError as error:
        return error.code
    return None


def raised(run):
    """The error that a call ends with.

    :raises AssertionError: it does not
    """
    try:
        run()
    except XpcsError as error:
        return error
    raise AssertionError("no error was raised")
