"""The page of ``rsp demo`` in Chromium, all of its buttons."""

from tests.demo import Demo


def text(selector):
    return f"(document.querySelector('{selector}')?.innerText || '')"


def number(name):
    return f"Number({text(f'#number-{name}')}.replaceAll(',', ''))"


def test_a_backend_is_killed_and_revived_and_configurations_are_refused(tmp_path, browser, picture):
    with Demo(tmp_path) as demo:
        browser.look(1280, 1000)
        browser.load(demo.url)
        browser.wait(f"{text('#link')} === 'live'")
        browser.wait("['a', 'b', 'e'].every((letter) => document.querySelector(`#stream [data-letter=${letter}]`))")
        browser.wait(f"{number('answered')} > 20")
        assert (
            browser.run("document.scripts.length") == 1
            and browser.run("document.querySelectorAll('main img').length") == 0
        )
        picture("demo", whole=True)

        browser.click("#backend-ada button")
        browser.wait(f"{text('#backend-ada .state')}.startsWith('killed')")
        browser.wait(f"{text('#backend-ada button')} === 'Revive'")
        browser.click("#change-typo button")
        browser.wait(f"{text('#notes')}.includes('Reload refused')")
        assert 'site.lua:25: upstream "new": unknown key "wieght" (did you mean "weight"?)' in browser.run(
            text("#notes")
        )
        picture("demo-refused", whole=True)
        browser.click("#backend-ada button")
        browser.wait(f"{text('#backend-ada .state')} === 'running'")

        before = browser.run(number("answered"))
        browser.wait(f"{number('answered')} > {before + 40}")
        browser.click("#change-bug button")
        browser.wait(f"{number('trial')} > 0")
        browser.wait("document.querySelectorAll('#notes li.bad').length === 2")
        assert browser.run(f"{text('#change-original')}.includes('in force')")
        browser.click("#change-weight button")
        browser.wait(f"{text('#change-weight')}.includes('in force')")
        assert browser.run(number("failed")) == 0

        browser.click("#pause")
        browser.wait(f"{text('#link')} === 'paused'")
        browser.wait(f"{number('sent')} === {number('answered')} + {number('trial')}")
        assert browser.run(f"{number('failed')}") == 0
        browser.look(1280, 1000, dark=True)
        assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
        picture("demo-dark", whole=True)
        browser.look(390, 844, phone=True)
        assert browser.run("document.documentElement.scrollWidth") <= 390
        picture("demo-phone", whole=True)
        assert not browser.errors, browser.errors

        demo.stop()
        browser.wait(f"{text('#notice')}.includes('has ended')")
