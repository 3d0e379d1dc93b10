def test_passes_too():
    pass


class TestGrouped:
    def test_in_a_class(self):
        pass
