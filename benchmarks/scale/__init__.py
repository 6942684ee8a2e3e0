"""A billion images on paper, from the rates that were measured."""
