"""The parts of the Lambda function.

``uploads`` lists the uploads, ``deliveries`` checks which of them are complete, ``claims`` claims
each delivery once, ``starts`` starts the job for each claim, and ``late`` reports a day without a
delivery. ``def_lambda`` calls them in this order. ``people`` sends what they report.
"""
