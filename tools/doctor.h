/* SPDX-License-Identifier: ISC */
#ifndef DOCTOR_H
#define DOCTOR_H

/*
 * The DOCTOR script, which lets ELIZA play a Rogerian psychotherapist.
 *
 * "#word=other N" is a keyword: what it is turned into while reading, and its
 * rank. Pairs follow: a decomposition of the words *after* they were turned
 * ("*" any words, "a/b" one of these, a class in capitals), and its replies,
 * used in rotation: "(3)" is the third part of the decomposition, ">what"
 * goes on as keyword what, ">" with the sentence's next keyword. A keyword
 * without pairs is only turned. "#xmemory" is what goes into the memory.
 */
/* clang-format off */
static const char *const doctor[] = {
"#sorry", "*", "Please don't apologise.|Apologies are not necessary.|"
	"What feelings do you have when you apologise?|"
	"I've told you that apologies are not required.",
"#dont=don't", "#cant=can't", "#wont=won't", "#me=you", "#were=was 2",
"*", ">was", "#myself=yourself", "#yourself=myself", "#mine=yours",
"#mom=mother", "#mum=mother", "#dad=father", "#yours=mine",
"#remember 5", "* you remember *", "Do you often think of (4)?|"
	"Does thinking of (4) bring anything else to mind?|"
	"What else do you remember?|Why do you remember (4) just now?|"
	"What in the present situation reminds you of (4)?|"
	"What is the connection between me and (4)?",
	"* do i remember *", "Did you think I would forget (5)?|"
	"Why do you think I should recall (5) now?|What about (5)?|>what|"
	"You mentioned (5).",
"#if 3", "* if *", "Do you think it's likely that (3)?|Do you wish that (3)?|"
	"What do you think about (3)?|Really, if (3)?",
"#dreamt 4", "* you dreamt *", "Really, (4)?|"
	"Have you ever fantasied (4) while you were awake?|"
	"Have you dreamt (4) before?|>dream|>",
"#dreamed=dreamt 4", "*", ">dreamt", "#dreams=dream 3", "*", ">dream",
"#dream 3", "*", "What does that dream suggest to you?|Do you dream often?|"
	"What persons appear in your dreams?|Don't you believe that dream has "
	"something to do with your problem?|>",
"#how", "*", ">what", "#when", "*", ">what", "#alike 10", "*", ">dit",
"#same 10", "*", ">dit", "#certainly", "*", ">yes", "#maybe", "*", ">perhaps",
"#perhaps", "*", "You don't seem quite certain.|Why the uncertain tone?|"
	"Can't you be more positive?|You aren't sure?|Don't you know?",
"#name 15", "*", "I am not interested in names.|"
	"I've told you before, I don't care about names. Please continue.",
"#deutsch", "*", ">xfremd", "#francais", "*", ">xfremd",
"#italiano", "*", ">xfremd", "#espanol", "*", ">xfremd",
"#xfremd", "*", "I am sorry, I speak only English.",
"#hello", "*", "How do you do. Please state your problem.",
"#machine 50", "*", ">computer", "#machines 50", "*", ">computer",
"#computers 50", "*", ">computer",
"#computer 50", "*", "Do computers worry you?|Why do you mention computers?|"
	"What do you think machines have to do with your problem?|"
	"Don't you think computers can help people?|"
	"What about machines worries you?|What do you think about machines?",
"#am=are", "* are you *", "Do you believe you are (4)?|"
	"Would you want to be (4)?|You wish I would tell you you are (4)?|"
	"What would it mean if you were (4)?|>what",
	"*", "Why do you say 'am'?|I don't understand that.",
"#are", "* are i *", "Why are you interested in whether I am (4) or not?|"
	"Would you prefer if I weren't (4)?|"
	"Perhaps I am (4) in your fantasies.|"
	"Do you sometimes think I am (4)?|>what",
	"* are *", "Did you think they might not be (3)?|"
	"Would you like it if they were not (3)?|What if they were not (3)?|"
	"Possibly they are (3).",
"#your=my", "* my *", "Why are you concerned over my (3)?|"
	"What about your own (3)?|Are you worried about someone else's (3)?|"
	"Really, my (3)?",
"#was 2", "* was you *", "What if you were (4)?|Do you think you were (4)?|"
	"Were you (4)?|What would it mean if you were (4)?|"
	"What does '(4)' suggest to you?|>what",
	"* you was *", "Were you really?|Why do you tell me you were (4) now?|"
	"Perhaps I already knew you were (4).",
	"* was i *", "Would you like to believe I was (4)?|"
	"What suggests that I was (4)?|What do you think?|Perhaps I was (4).|"
	"What if I had been (4)?",
"#i=you", "* you want/need *", "What would it mean to you if you got (4)?|"
	"Why do you want (4)?|Suppose you got (4) soon.|"
	"What if you never got (4)?|What would getting (4) mean to you?|"
	"What does wanting (4) have to do with this discussion?",
	"* you are * sad/unhappy/depressed/sick *",
	"I am sorry to hear you are (5).|"
	"Do you think coming here will help you not to be (5)?|"
	"I'm sure it's not pleasant to be (5).|"
	"Can you explain what made you (5)?",
	"* you are * happy/elated/glad/better *",
	"How have I helped you to be (5)?|Has your treatment made you (5)?|"
	"What makes you (5) just now?|"
	"Can you explain why you are suddenly (5)?",
	"* you was *", ">was",
	"* you feel/think/believe/wish you *", "Do you really think so?|"
	"But you are not sure you (5).|Do you really doubt you (5)?",
	"* you * feel/think/believe/wish * i *", ">you",
	"* you are *", "Is it because you are (4) that you came to me?|"
	"How long have you been (4)?|Do you believe it normal to be (4)?|"
	"Do you enjoy being (4)?",
	"* you can't/cannot *", "How do you know you can't (4)?|"
	"Have you tried?|Perhaps you could (4) now.|"
	"Do you really want to be able to (4)?",
	"* you don't *", "Don't you really (4)?|Why don't you (4)?|"
	"Do you wish to be able to (4)?|Does that trouble you?",
	"* you feel *", "Tell me more about such feelings.|"
	"Do you often feel (4)?|Do you enjoy feeling (4)?|"
	"Of what does feeling (4) remind you?",
	"* you * i", "Perhaps in your fantasy we (3) each other.|"
	"Do you wish to (3) me?|You seem to need to (3) me.|"
	"Do you (3) anyone else?",
	"*", "You say (1)?|Can you elaborate on that?|"
	"Do you say (1) for some special reason?|That's quite interesting.",
"#you=i", "* i remind you of *", ">dit",
	"* i are *", "What makes you think I am (4)?|"
	"Does it please you to believe I am (4)?|"
	"Do you sometimes wish you were (4)?|"
	"Perhaps you would like to be (4).",
	"* i * you", "Why do you think I (3) you?|"
	"You like to think I (3) you, don't you?|"
	"What makes you think I (3) you?|Really, I (3) you?|"
	"Do you wish to believe I (3) you?|"
	"Suppose I did (3) you. What would that mean?|"
	"Does someone else believe I (3) you?",
	"* i *", "We were discussing you, not me.|Oh, I (3)?|"
	"You're not really talking about me, are you?|"
	"What are your feelings now?",
"#yes", "*", "You seem quite positive.|You are sure?|I see.|I understand.",
"#no", "*", "Are you saying 'no' just to be negative?|"
	"You are being a bit negative.|Why not?|Why 'no'?",
"#my=your 2", "* your * mother/father/sister/brother/wife/husband/children/son/"
	"daughter/parents *", "Tell me more about your family.|"
	"Who else in your family (5)?|Your (4)?|"
	"What else comes to mind when you think of your (4)?",
	"* your *", "Your (3)?|Why do you say your (3)?|Does that suggest "
	"anything else which belongs to you?|"
	"Is it important to you that your (3)?",
"#xmemory", "* your *", "Let's discuss further why your (3).|"
	"Earlier you said your (3).|But your (3).|"
	"Does that have anything to do with the fact that your (3)?",
"#can", "* can i *", "You believe I can (4), don't you?|>what|"
	"You want me to be able to (4)?|"
	"Perhaps you would like to be able to (4) yourself.",
	"* can you *", "Whether or not you can (4) depends on you more than on "
	"me.|Do you want to be able to (4)?|Perhaps you don't want to (4).|"
	">what",
"#what", "*", "Why do you ask?|Does that question interest you?|"
	"What is it you really want to know?|"
	"Are such questions much on your mind?|"
	"What answer would please you most?|What do you think?|"
	"What comes to your mind when you ask that?|"
	"Have you asked such questions before?|Have you asked anyone else?",
"#because", "*", "Is that the real reason?|"
	"Don't any other reasons come to mind?|"
	"Does that reason seem to explain anything else?|"
	"What other reasons might there be?",
"#why", "* why don't i *", "Do you believe I don't (5)?|"
	"Perhaps I will (5) in good time.|Should you (5) yourself?|"
	"You want me to (5)?|>what",
	"* why can't you *", "Do you think you should be able to (5)?|"
	"Do you want to be able to (5)?|Do you believe this will help you to "
	"(5)?|Have you any idea why you can't (5)?|>what",
	"*", ">what",
"#everybody 2", "*", ">everyone", "#nobody 2", "*", ">everyone",
"#everyone 2", "* everyone/everybody/nobody *", "Really, (2)?|"
	"Surely not (2).|Can you think of anyone in particular?|"
	"Who, for example?|You are thinking of a very special person.|"
	"Who, may I ask?|Someone special perhaps?|"
	"You have a particular person in mind, don't you?|"
	"Who do you think you're talking about?",
"#always 1", "*", "Can you think of a specific example?|When?|"
	"What incident are you thinking of?|Really, always?",
"#like 10", "* am/is/are/was * like *", ">dit",
"#dit", "*", "In what way?|What resemblance do you see?|"
	"What does that similarity suggest to you?|"
	"What other connections do you see?|"
	"What do you suppose that resemblance means?|"
	"What is the connection, do you suppose?|"
	"Could there really be some connection?|How?",
"#xnone", "*", "I am not sure I understand you fully.|Please go on.|"
	"What does that suggest to you?|"
	"Do you feel strongly about discussing such things?",
};
/* clang-format on */

#endif
