import pytest
from django.core import mail
from django.db import connection
from django.urls import reverse
from shop.models import Product


@pytest.fixture
def apple(db):
    return Product.objects.create(name="apple", price=100)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["apple", "pear"])
def test_each_test_begins_with_no_products(name):
    assert Product.objects.count() == 0
    Product.objects.create(name=name)


def test_the_page_counts(apple, client):
    assert client.get(reverse("count")).json() == {"count": 1}


def test_queries_are_counted(apple, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert Product.objects.get(name="apple").price == 100


@pytest.mark.django_db(transaction=True)
def test_a_transaction_of_its_own():
    assert not connection.in_atomic_block
    Product.objects.create(name="plum")


def test_the_database_is_refused_without_the_mark():
    Product.objects.count()


def test_settings_are_put_back(settings):
    settings.USE_TZ = False


def test_mail_is_caught(mailoutbox):
    mail.send_mail("subject", "body", "from@example.org", ["to@example.org"])
    assert len(mailoutbox) == 1
