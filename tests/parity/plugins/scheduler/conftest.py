from xdist.scheduler.loadscope import LoadScopeScheduling


class ByParameter(LoadScopeScheduling):
    def _split_scope(self, nodeid):
        return nodeid.rpartition("[")[2].rstrip("]")


def pytest_xdist_make_scheduler(config, log):
    return ByParameter(config, log)
