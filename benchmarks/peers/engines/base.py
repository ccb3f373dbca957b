"""What an engine does. Engines run in processes of their own (worker.py), so that neither threads nor settings meet."""


class NotHere(Exception):
    """The engine cannot take the case, or is not installed; the message goes into the report."""


class Engine:
    package = None               # the distribution whose version is recorded

    def environment(self, threads, avx2):
        """Variables that must stand before the library is loaded."""
        return {}

    def takes(self, case, avx2):
        """Raises NotHere when this engine has nothing for the case."""

    def prepare(self, case, folder, avx2):
        """Makes the model's files in `folder`, once; may take long and is not measured."""

    def load(self, case, folder, threads, avx2):
        """Returns a function without arguments that does one inference and returns when its output is there."""
        raise NotImplementedError

    def model_bytes(self, case, folder, avx2=False):
        """The size of the model as a user would ship it, or None."""
        return None

    def version(self):
        import importlib.metadata
        return importlib.metadata.version(self.package) if self.package else None
