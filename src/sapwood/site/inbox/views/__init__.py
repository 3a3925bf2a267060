"""The pages of the inbox: parse, call one function of the api, render."""
