"""Preference pairs: whom does a choice take, and does a model tuned on it prefer better?"""
