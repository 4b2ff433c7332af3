"""What the Lambda function does, room by room.

``uploads`` lists what is there, ``deliveries`` says which of it is complete, ``claims`` takes each
delivery once, ``starts`` has the job publish what is claimed, and ``late`` reports a day without a
delivery. ``def_lambda`` calls them in this order.
"""
