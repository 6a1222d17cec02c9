import Testing
import Text

@Suite("A name stands in a text")
struct NameMentionTests {
  @Test(
    "as a whole",
    arguments: [
      "app.log", "see app.log.", "(app.log)", "logs/app.log", "app.log: line 3", "`app.log`",
      "app.log,web.log",
      "webapp.log and app.log", "见app.log文件", "app.log-", "…app.log…", "app.log\n",
    ])
  func whole(text: String) {
    #expect(NameMention.stands("app.log", in: Array(text.utf8)))
  }

  @Test(
    "not as a part of a longer one, nor in another case",
    arguments: [
      "webapp.log", "app.log2", "app.logs", "app.log.gz", "app.log-old", "my-app.log", "my.app.log",
      "_app.log",
      "app.log_1", "App.log", "éapp.log", "app.logé", "app-log", "app.lo", "",
    ])
  func part(text: String) {
    #expect(!NameMention.stands("app.log", in: Array(text.utf8)))
  }

  @Test("with an end of its own wherever it begins or ends with no letter")
  func signs() {
    #expect(NameMention.stands("/etc/hosts", in: Array("root/etc/hosts".utf8)))
    #expect(NameMention.stands("#7", in: Array("issue#7".utf8)))
    #expect(!NameMention.stands("#7", in: Array("issue #72".utf8)))
    #expect(NameMention.stands("構成", in: Array("新構成図".utf8)))
    #expect(!NameMention.stands("", in: Array("anything".utf8)))
  }
}
