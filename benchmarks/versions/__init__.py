"""The lowest and newest versions of what rankkit needs: do its tests pass, do plugins resolve?"""
