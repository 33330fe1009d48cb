"""The diary: one person's weeks under one or two policies, on one self-contained page.

choose looks up who is served by whom, record lives their lives, weeks draws the calendar and the
moods, journal packs every fetch for the page's own script, page puts it together.
"""
