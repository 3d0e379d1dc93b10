import allure
import pytest


@pytest.fixture
def cart():
    yield ["apple"]
    allure.attach("emptied", name="at the end")


@allure.epic("shop")
@allure.feature("checkout")
@allure.severity(allure.severity_level.CRITICAL)
def test_steps(cart):
    with allure.step("add"):
        cart.append("pear")
    with allure.step("count"):
        assert len(cart) == 2


@allure.title("attaches a receipt")
def test_attaches():
    allure.attach("receipt", name="receipt", attachment_type=allure.attachment_type.TEXT)


@pytest.mark.parametrize("price", [1, 2])
def test_parametrized(price):
    assert price == 1


@pytest.mark.skip(reason="sold out")
def test_is_skipped():
    pass


def test_breaks():
    raise RuntimeError("broken, which is not failed")
