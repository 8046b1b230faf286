"""Word lists of the rule filter, in both languages. Matching ignores the case of ASCII letters."""

# Frequent function words that other Latin-script languages do not share: their share of the words
# tells English from them. The first eight are Gopher's (Rae et al. 2021, table A1).
STOP_WORDS_EN = (
    *("the", "be", "to", "of", "and", "that", "have", "with"),
    *("is", "are", "was", "were", "for", "from", "this", "which", "by", "as", "it", "you", "not"),
)
STOP_WORDS_ZH = tuple("的了是在和与为有对中及或等可以不而由被也将这其")

# Phrases of offers and calls to action; one may occur in honest text, several do not.
ADVERTS_EN = (
    *(
        "buy now",
        "order now",
        "order today",
        "click here",
        "shop now",
        "add to cart",
        "at checkout",
    ),
    *("free shipping", "cash on delivery", "money back guarantee", "satisfaction guaranteed"),
    *("limited time offer", "limited stock", "while supplies last", "while stocks last"),
    *("today only", "don't miss out", "act now", "hurry up", "special offer", "best price"),
    *("lowest price", "% off", "two for one", "buy one get one", "free gift", "free trial"),
    *(
        "promo code",
        "coupon code",
        "gift voucher",
        "discount code",
        "subscribe now",
        "sign up today",
    ),
    *("sign up now", "call now", "toll free", "results guaranteed", "guaranteed results"),
    *("doctors hate", "weird trick", "miracle cure", "lose weight fast", "work from home"),
    *("instant approval", "no questions asked", "no credit check", "payday loan", "casino"),
    *("you have won", "claim your prize", "cash prize", "prize draw", "winner!!", "free entry"),
    *("text stop to", "reply stop", "ringtone", "visit our store", "visit our website today"),
    *("buy cheap", "cheap viagra", "no prescription", "replica watches", "last item"),
    *("are looking at this offer", "great deals", "save big", "click the banner", "click below"),
)
ADVERTS_ZH = (
    *("限时特惠", "限时优惠", "限时抢购", "限时折扣", "全场清仓", "清仓", "点击购买", "立即购买"),
    *("立即下单", "立即抢购", "点击下单", "点击抢购", "马上抢购", "火热抢购", "速来抢购", "疯抢"),
    *("买一送一", "免费试用", "免费领取", "立减", "满减", "包邮", "货到付款", "全网最低", "最低价"),
    *("仅限今天", "错过不再", "库存不多", "名额有限", "最后一天", "先到先得", "优惠券", "优惠码"),
    *("大礼包", "返现", "再送好礼", "加微信", "微信号", "加客服", "客服热线", "销售专线", "扫码"),
    *(
        "热线电话",
        "咨询热线",
        "免费咨询",
        "招商加盟",
        "诚招代理",
        "代理加盟",
        "正品保证",
        "假一赔十",
    ),
    *(
        "无效退款",
        "一贴见效",
        "一次见效",
        "包治百病",
        "祖传秘方",
        "根治不复发",
        "药到病除",
        "瘦身神器",
    ),
    *("月入过万", "日赚", "兼职刷单", "刷单", "秒批", "无需审核", "当天到账", "无抵押", "低息贷款"),
    *("转发好友", "了解详情", "进店", "旗舰店", "秒杀", "特价", "促销", "开盘", "首付", "代开发票"),
    *(
        "会员专享",
        "回馈新老",
        "恭候您",
        "欢迎光临",
        "欢迎致电",
        "点广告",
        "点击咨询",
        "口令",
        "抽奖",
    ),
)

# Lines of page furniture rather than text.
BOILERPLATE_EN = (
    *(
        "cookie",
        "cookies",
        "privacy policy",
        "terms of use",
        "terms of service",
        "terms and conditions",
    ),
    *("all rights reserved", "copyright ©", "©", "about us", "contact us", "sitemap", "site map"),
    *("skip to content", "skip to main content", "toggle navigation", "you are here:", "home >"),
    *("home |", "| home", "log in", "login", "sign in", "register", "read more", "related posts"),
    *("popular tags", "share on", "share this", "follow us", "leave a comment", "leave a reply"),
    *("enable javascript", "javascript is disabled", "back to top", "next page", "previous page"),
    *("add to favorites", "powered by", "newsletter", "advertisement", "lorem ipsum"),
)
BOILERPLATE_ZH = (
    *("版权所有", "保留所有权利", "使用条款", "隐私政策", "免责声明", "关于我们", "联系我们"),
    *("网站地图", "产品中心", "新闻动态", "设为首页", "加入收藏", "返回顶部", "返回首页", "手机版"),
    *("当前位置", "上一页", "下一页", "上一篇", "下一篇", "相关阅读", "相关推荐", "热门标签"),
    *("友情链接", "分享到", "点赞(", "评论(", "查看更多", "阅读全文", "接受全部", "无障碍浏览"),
    *("启用javascript", "使用cookie", "备案号", "icp备", "icp证", "公网安备", "登录 | 注册"),
    *("扫一扫", "责任编辑：", "转载请注明", "点击加载更多"),
)

# Insults that serve no other purpose; terms with a medical or neutral use are left out.
ABUSE_EN = (
    *("idiot", "idiots", "moron", "morons", "dimwit", "imbecile", "blockhead", "scumbag", "loser"),
    *("bastards", "asshole", "assholes", "bullshit", "bitch", "bitches", "cunt", "dumbass"),
    *("jackass", "fuck", "fucking", "fucked", "fucker", "motherfucker", "shithead", "dickhead"),
    *("slut", "whore", "wanker", "twat", "douchebag", "shut up", "get lost"),
    *("shut your", "piece of shit", "dumb fool", "filthy pig", "go to hell", "drop dead"),
)
ABUSE_ZH = (
    *("白痴", "蠢货", "笨蛋", "蠢猪", "人渣", "傻逼", "傻叉", "傻子", "王八蛋", "混蛋"),
    *("混账", "贱人", "婊子", "狗屁", "喷粪", "滚开", "滚蛋", "滚远点", "快滚", "给我滚"),
    *("闭嘴", "狗东西", "狗杂种", "去死", "他妈的", "你妈的", "操你", "草泥马", "脑残"),
    *("丢人现眼", "恶心透顶", "胡说八道", "不要脸", "臭嘴", "死全家", "没脑子"),
)
