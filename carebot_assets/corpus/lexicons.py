"""Word lists of the rule filter, in both languages; `phrases` looks for them.

Written for this project from what adverts, spam messages and insults commonly say. One phrase may
occur in honest text, several do not. A profile adds its own lists (`rules.lexicons`).
"""


def _listed(text: str) -> tuple[str, ...]:
    """Phrases separated by commas or lines."""
    return tuple(filter(None, (phrase.strip() for phrase in text.replace("\n", ",").split(","))))


# Frequent function words that other Latin-script languages do not share: their share of the words
# tells English from them. The first eight are Gopher's (Rae et al. 2021, table A1).
STOP_WORDS_EN = (
    *("the", "be", "to", "of", "and", "that", "have", "with"),
    *("is", "are", "was", "were", "for", "from", "this", "which", "by", "as", "it", "you", "not"),
)
STOP_WORDS_ZH = tuple("的了是在和与为有对中及或等可以不而由被也将这其")

# Offers and calls to action, short messages included.
ADVERTS_EN = _listed("""
    buy now, order now, order today, click here, click below, click the banner, shop now, call now
    add to cart, at checkout, free shipping, cash on delivery, money back guarantee, act now
    satisfaction guaranteed, limited time offer, limited stock, while supplies last, today only
    while stocks last, don't miss out, hurry up, special offer, best price, lowest price, % off
    two for one, buy one get one, free gift, free trial, promo code, coupon code, discount code
    gift voucher, subscribe now, sign up today, sign up now, toll free, results guaranteed
    guaranteed results, doctors hate, weird trick, lose weight fast, work from home, great deals
    instant approval, no questions asked, no credit check, payday loan, casino, online casino
    you have won, you've won, u have won, have won a, claim your prize, cash prize, prize draw
    prize guaranteed, winner!!, free entry, to claim call, claim call, claim code
    await collection, cash await, text stop, send stop, reply stop, stop to end, txt stop
    opt out text, to opt out, reply yes, t&c, t&cs, t&c's, ts&cs, £1.50, 150p, 150ppm, 10p per min
    per msg, /msg, p/min, national rate, ringtone, ringtones, polyphonic, free texts, freephone
    freemsg, dating service, txt chat, sexy singles, singles waiting, account statement for
    todays draw, we are trying to contact, attempt to contact, valid 12hrs, 18+ only
    half price line rental, camcorder, guaranteed call, bonus caller, half price, latest nokia
    visit our store, visit our website today, buy cheap, replica watches, last item, save big
    are looking at this offer, unsubscribe, urgent! your mobile, call free, win a, text win
    po box
""")
ADVERTS_ZH = _listed("""
    限时特惠, 限时优惠, 限时抢购, 限时折扣, 限时秒杀, 全场清仓, 清仓, 点击购买, 立即购买, 立即下单
    立即抢购, 点击下单, 点击抢购, 马上抢购, 火热抢购, 速来抢购, 疯抢, 开抢, 抢购, 秒杀, 特卖, 特价
    大促, 促销, 买一送一, 免费试用, 免费领取, 免费送, 立减, 满减, 包邮, 货到付款, 全网最低, 最低价
    仅限今天, 错过不再, 库存不多, 名额有限, 数量有限, 最后一天, 先到先得, 优惠券, 现金券, 领券
    优惠码, 大礼包, 好礼, 豪礼, 钜惠, 巨惠, 让利, 返现, 无门槛, 免单, 半价, 折起, 元起, 爆款, 热卖
    超值, 加微信, 微信号, 加我微信, 加客服, 在线客服, 联系客服, 客服热线, 销售专线, 热线电话
    咨询热线, 扫码, 免费咨询, 招商加盟, 诚招代理, 代理加盟, 正品保证, 假一赔十, 无效退款, 一贴见效
    一次见效, 瘦身神器, 月入过万, 日赚, 兼职刷单, 刷单, 秒批, 无需审核, 当天到账, 无抵押, 低息贷款
    快速放款, 信用卡套现, 转发好友, 了解详情, 进店, 旗舰店, 专卖店, 首付, 代开发票, 会员专享, 专享
    钜献, 回馈新老, 新老客户, 新老会员, 恭候您, 恭候, 欢迎光临, 欢迎致电, 欢迎来电, 来电咨询
    欢迎咨询, 点广告, 点击咨询, 猛戳, 戳链接, 抽奖, 赢大奖, 中奖, 赢取, 红包, 话费, 流量包, 退订
    回td, 回复td, 尊敬的用户, 尊敬的客户, 尊敬的会员, 亲爱的会员, 亲爱的顾客, 尊敬的顾客, 恭喜您
    敬请谅解, 积分兑换, 可兑换, 逾期失效, 逾期清零, 次日失效, 今日失效, 请登录, 请登陆, 登入, 网银
    手机银行, 手机营业厅, 密码器, 验证码, 注册送, 首存, 充值送, 存送, 开户送, 彩票网, 百家乐
    六合彩, 投注, 博彩, 娱乐城, 时时彩, 倍流水, 提款, 荐股, 牛股, 操盘手, 股票软件, 即日起, 邀您
    等您来, 购物车, 聚划算, 唯品会, 双十一, 周年庆, 倒计时, 详询, 详情请, 办理改签, 航班取消
""")

# Cures that cannot be, secret recipes, hospitals that court patients: adverts that speak medicine.
MEDICAL_ADVERTS_EN = _listed("""
    miracle cure, cures all diseases, cure all diseases, secret remedy, secret formula
    no side effects, 100% cure, 100% natural cure, guaranteed cure, permanently cure
    permanent cure, big pharma hides, what doctors won't tell, doctors don't want you to know
    clinically proven to melt, melt fat, burn belly fat, without diet or exercise
    male enhancement, penis enlargement, cheap viagra, buy viagra, viagra online, cialis online
    no prescription needed, without prescription, herbal viagra, anti-aging breakthrough
    detox your body, cure diabetes naturally, reverse diabetes naturally, before and after photos
    book your free consultation, call for a free consultation
""")
MEDICAL_ADVERTS_ZH = _listed("""
    包治百病, 祖传秘方, 祖传秘制, 宫廷秘方, 独家秘方, 百年秘方, 根治不复发, 永不复发, 不再复发
    彻底根治, 无效退款, 无效全额退款, 签约治疗, 签约治愈, 药到病除, 一针见效, 一贴见效, 一次见效
    一个疗程见效, 三天见效, 当天见效, 无毒副作用, 无任何副作用, 零副作用, 纯中药制剂无, 治愈率高达
    有效率高达, 告别糖尿病, 告别痛苦, 名医坐诊, 专家坐诊, 专家亲诊, 军区医院特聘, 权威专家团队
    国家级专家, 免费专家, 免费挂号, 预约挂号热线, 在线预约专家, 点击预约, 点击咨询医生
    点击在线咨询, 咨询在线医生, 在线咨询医生, 健康热线, 医院地址：, 来院路线, 无痛人流, 三分钟无痛
    包皮环切术仅, 男科医院, 妇科医院, 不孕不育医院, 癫痫病医院, 白癜风医院, 牛皮癣医院, 哪家医院好
    最好的医院, 较好的医院, 专业的医院, 哪里治疗好, 多少钱一盒, 厂家直销, 延时喷剂, 增大增粗, 丰胸
    减肥神器, 轻松瘦, 天瘦, 排毒养颜, 干细胞抗衰, 抗癌神药, 祖传老中医, 保健品直销, 微信咨询
    添加微信, 扫码咨询
""")

# Lines of page furniture rather than text.
BOILERPLATE_EN = _listed("""
    cookie, cookies, privacy policy, terms of use, terms of service, terms and conditions
    all rights reserved, copyright ©, ©, about us, contact us, sitemap, site map, skip to content
    skip to main content, toggle navigation, you are here:, home >, home |, | home, log in, login
    sign in, register, read more, related posts, popular tags, share on, share this, follow us
    leave a comment, leave a reply, enable javascript, javascript is disabled, back to top
    next page, previous page, add to favorites, powered by, newsletter, advertisement, lorem ipsum
""")
BOILERPLATE_ZH = _listed("""
    版权所有, 保留所有权利, 使用条款, 隐私政策, 免责声明, 关于我们, 联系我们, 网站地图, 产品中心
    新闻动态, 设为首页, 加入收藏, 返回顶部, 返回首页, 手机版, 当前位置, 上一页, 下一页, 上一篇
    下一篇, 相关阅读, 相关推荐, 热门标签, 友情链接, 分享到, 点赞(, 评论(, 查看更多, 阅读全文
    接受全部, 无障碍浏览, 启用javascript, 使用cookie, 备案号, icp备, icp证, 公网安备, 登录 | 注册
    扫一扫, 责任编辑：, 转载请注明, 点击加载更多
""")

# Insults and slurs that serve no other purpose. What an older text of medicine calls an idiot or an
# imbecile is none unless somebody is called so.
_CALLED = (
    *("you", "your", "such an", "such a", "complete", "total", "stupid", "useless", "brainless"),
    *(
        "gormless",
        "pathetic",
        "disgusting",
        "ugly",
        "dumb",
        "worthless",
        "damn",
        "miserable",
        "filthy",
    ),
    *("bloody", "fucking"),
)
_NAMES = (
    "idiot",
    "idiots",
    "moron",
    "morons",
    "imbecile",
    "blockhead",
    "bastard",
    "bastards",
    "cretin",
)
ABUSE_EN = (
    *(f"{called} {name}" for called in _CALLED for name in _NAMES),
    *_listed("""
    dimwit, scumbag, scumbags, arsehole, asshole, assholes, bullshit, bitch, bitches, bitchy, cunt
    cunts, dumbass, jackass, ass hole, fuck, fucks, fucking, fuckin, fucked, fucker, fuckers
    motherfucker, motherfuckers, muthafucka, stfu, gtfo, shit, shitty, shithead, dickhead, slut
    sluts, slutty, whore, whores, hoe, hoes, thot, wanker, twat, douchebag, douche, skank, pussies
    faggot, faggots, fag, fags, dyke, retarded ass, nigga, niggas, nigger, niggers, niggah
    wetback, kike, towelhead, raghead, gook, beaner, tranny, white trash, trailer trash, shut up
    get lost, shut your, piece of shit, dumb fool, filthy pig, go to hell, drop dead
    kill yourself, kys, idiot friends, moron friends, die in a fire, damn fool, lil bitch
    """),
)
ABUSE_ZH = _listed("""
    白痴, 蠢货, 笨蛋, 蠢猪, 猪脑子, 人渣, 傻逼, 傻比, 傻叉, 傻屌, 煞笔, 傻子, 脑瘫儿, 王八蛋
    王八羔子, 龟儿子, 混蛋, 混账, 贱人, 贱货, 贱种, 婊子, 绿茶婊, 狗屁, 喷粪, 滚开, 滚蛋, 滚远点
    快滚, 给我滚, 滚出, 闭嘴, 狗东西, 狗杂种, 狗日的, 狗娘养, 去死, 他妈的, 你妈的, 尼玛的, 特么的
    妈的智障, 操你, 草你, 日你妈, 草泥马, 脑残, 智障玩意, 弱智玩意, 丢人现眼, 恶心透顶, 胡说八道
    不要脸, 没用的废物, 死娘炮, 下贱货, 臭不要脸, 臭嘴, 死全家, 全家死, 没脑子, 垃圾东西, 渣男
    人面兽心, 黑鬼, 尼哥, 倪哥, 小日本鬼子, 白皮猪, 棒子国, 乡巴佬, 死胖子, 死基佬, 田园女权
    女权婊, 直男癌, 仙女婊, 屌丝, 舔狗, 洋垃圾, 骚货, 荡妇, 死变态, 你算什么东西
""")

# Words of medicine that lists of bad words hold: in a user's list of abuse they are passed over.
MEDICAL = frozenset(
    _listed("""
    anal, anus, areola, breast, breasts, butt, buttocks, cervix, climax, clitoris, coitus
    coprophilia, date rape, ejaculation, erection, erotic, escort, eunuch, fecal, feces, fellatio
    fingering, fisting, foreskin, genital, genitals, grope, hymen, incest, intercourse, labia
    lolita, masturbate, masturbating, masturbation, necrophilia, nipple, nipples, nude, nudity
    orgasm, oral sex, paedophile, panties, pedophile, penis, pissing, prostate, prostitute
    prostitution, pubes, pubic, rape, raping, rapist, rectum, sadism, scat, scrotum, semen, sex
    sexual, sexuality, sexually, sodomy, spastic, sperm, strap on, suck, sucks, testicle
    testicles, testis, threesome, topless, transsexual, undressing, urethra play, urine, vagina
    viagra, cialis, vibrator, voyeur, vulva, wet dream, domination, bareback, bondage, kinky, cum
    cock, snatch, skeet, pegging, how to kill, deep throat, tied up, missionary position, hardcore
    horny, swinger, negro, zoophilia, group sex, pornography, sexy, playboy, poof, spunk
    homoerotic, erotism, bestiality, 乳, 乳头, 乳房, 奶, 包皮, 卵, 卵子, 处女, 外阴, 交配, 性
    性交, 性器, 性无能, 性爱, 射精, 强奸, 成人, 月经, 屁股, 屁眼, 撒尿, 阳具, 阳萎, 阳痿, 阴唇
    阴户, 阴核, 阴毛, 阴茎, 阴道, 阴部, 陰莖, 阴囊, 肛门, 肛交, 口交, 精子, 精液, 睾丸, 激情, 做爱
    奸, 卖淫, 妓女, 嫖娼, 花柳, 梅毒, 淋病, 刚度, 靠背, 龟头, 轮奸, 情色, 色情, 淫, 淫羊藿, 妓
    军妓, 妓院, 嫖客, 手淫, 遗精, 迷药
    """)
)
BUILT_IN = {
    "boilerplate": BOILERPLATE_EN + BOILERPLATE_ZH,
    "advert": ADVERTS_EN + ADVERTS_ZH,
    "medical_advert": MEDICAL_ADVERTS_EN + MEDICAL_ADVERTS_ZH,
    "abuse": ABUSE_EN + ABUSE_ZH,
}
