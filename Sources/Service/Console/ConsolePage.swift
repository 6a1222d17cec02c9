enum ConsolePage { static let html = "" }
enum ConsoleStyle { static let sheet = "" }
enum ConsoleScript { static let text = "" }
