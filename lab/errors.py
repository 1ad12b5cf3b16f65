"""What goes wrong in the lab, as its users are told it."""


class LabError(Exception):
    """Something a user can mend: `what` happened (with the value found), and the `remedy`."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}\n{remedy}")
        self.what = what
        self.remedy = remedy
