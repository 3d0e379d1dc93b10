"""What the shop sells."""

from django.db import models


class Product(models.Model):
    name = models.CharField(max_length=40, unique=True)
    price = models.IntegerField(default=0)
