// The grammar of the Triton language, version 1. The language page explains it.
//
// The parser rules are what runs. The lexer rules define the tokens; compiler/lib/Parse/Scanner.cpp reads the same tokens
// straight from the bytes (it is faster and has messages of its own), and a test holds it to the lexer made from this file.
// Two tokens have no text of their own and are chosen in compiler/lib/Parse/Structure.cpp:
//   ATTR         an `@` that opens an attribute: outside all () and [], and first on its line or after `{`, `}` or `;`
//   RETURN_VALUE a `return` after which an expression can start
// Rules ending in Head, and `condition`, are where error recovery goes on with the block that follows.
grammar Triton;
tokens { ATTR, RETURN_VALUE }

program    : (items+=item | ';')* EOF ;
item       : attrs? (importDecl | useDecl | layerDef | modelDef | fnDef | testDef
                     | letStmt | paramStmt | assignStmt | returnStmt | forStmt | ifStmt | assertStmt) ;
attrs      : ATTR list+=attr ((ATTR | '@') list+=attr)* ;
attr       : name (open='(' args? ')')? ;
importDecl : 'import' path=STRING ('as' alias=name)? ;
useDecl    : 'use' path+=name ('.' path+=name)* ;
layerDef   : 'layer' layerHead block ;
layerHead  : name (open='(' params? ')')? ('->' result)? ;
modelDef   : 'model' modelHead block ;
modelHead  : name '(' params? ')' '->' result ;
fnDef      : 'fn' fnHead block ;
fnHead     : name '(' params? ')' ('->' result)? ;
testDef    : 'test' title=STRING block ;
result     : single=typeSpec | '(' list+=resultItem (',' list+=resultItem)* ','? ')' ;
resultItem : (name ':')? typeSpec ;
params     : list+=parameter (',' list+=parameter)* ','? ;
parameter  : name ':' typeSpec ('=' value=expr)? ;
block      : '{' (items+=item | ';')* '}' ;

letStmt    : 'let' binder (':' typeSpec)? ('=' (value=expr | dots='...'))? ('as' key=STRING)? ;
paramStmt  : 'param' name ':' typeSpec ('as' key=STRING)? ('=' value=expr)? ;
assignStmt : name '=' value=expr ;
returnStmt : RETURN_VALUE values+=expr (',' values+=expr)* | 'return' ;
forStmt    : 'for' forHead block ;
forHead    : binder 'in' loopRange ;
ifStmt     : 'if' condition then=block ('else' (elseIf=ifStmt | elseBlock=block))? ;
condition  : expr ;
assertStmt : 'assert' value=expr (',' message=STRING)? ;
binder     : name
           | open='(' name (',' name)* ')'
           | open='[' name (',' name)* ']' ;
loopRange  : from=expr ('..' to=expr ('step' by=expr)?)? ;

typeSpec   : dtype
           | tensorHead (open='[' list+=typeArg (',' list+=typeArg)* ','? ']'
                         | angle='<' dtypes (',' '[' (list+=typeArg (',' list+=typeArg)*)? ']')? '>')?
           | layer='layer'
           | name ('[' inner=typeSpec ']')? ;
tensorHead : 'Tensor' | 'tensor' | 'TernaryTensor' | 'Weight' ;
typeArg    : dtypes | unknown='?' | ellipsis='...' | expr ;
dtypes     : list+=dtype ('|' list+=dtype)* ;
dtype      : 'trit' | 'bool' | 'int4' | 'uint4' | 'int6' | 'uint6' | 'int8' | 'uint8' | 'int16' | 'int32' | 'int64'
           | 'float16' | 'bfloat16' | 'float32' ;

expr       : base=expr dot='.' member=name
           | base=expr call='(' args? ')'
           | base=expr index='[' list+=expr (',' list+=expr)* ']'
           | minus='-' operand=expr
           | lhs=expr op=('*' | '/' | '%' | '@') rhs=expr
           | lhs=expr op=('+' | '-') rhs=expr
           | lhs=expr op=('==' | '!=' | '<' | '<=' | '>' | '>=') rhs=expr
           | negation='not' operand=expr
           | lhs=expr op='and' rhs=expr
           | lhs=expr op='or' rhs=expr
           | conditional='if' test=expr 'then' lhs=expr 'else' rhs=expr
           | atom=(INT | FLOAT | STRING | 'true' | 'false')
           | name
           | dtype
           | tensorHead shape='[' types+=typeArg (',' types+=typeArg)* ','? ']' call='(' args? ')'
           | paren='(' operand=expr ')'
           | bracket='[' (list+=expr ('for' binder 'in' loopRange
                                      | (',' list+=expr)* (',' ellipsis='...')? ','?))? ']' ;
args       : list+=arg (',' list+=arg)* ','? ;
arg        : (name '=')? value=expr ;
name       : NAME | 'model' | 'test' | 'param' | 'use' | 'import' | 'step' | 'as' ;

LAYER : 'layer' ;
FN : 'fn' ;
LET : 'let' ;
RETURN : 'return' ;
FOR : 'for' ;
IN : 'in' ;
IF : 'if' ;
THEN : 'then' ;
ELSE : 'else' ;
ASSERT : 'assert' ;
AND : 'and' ;
OR : 'or' ;
NOT : 'not' ;
TRUE : 'true' ;
FALSE : 'false' ;
TRIT : 'trit' ;
BOOL : 'bool' ;
INT4 : 'int4' ;
UINT4 : 'uint4' ;
INT6 : 'int6' ;
UINT6 : 'uint6' ;
INT8 : 'int8' ;
UINT8 : 'uint8' ;
INT16 : 'int16' ;
INT32 : 'int32' ;
INT64 : 'int64' ;
FLOAT16 : 'float16' ;
BFLOAT16 : 'bfloat16' ;
FLOAT32 : 'float32' ;
TENSOR_LOWER : 'tensor' ;
TENSOR : 'Tensor' ;
TERNARY_TENSOR : 'TernaryTensor' ;
WEIGHT : 'Weight' ;
KEPT : 'state' | 'while' | 'match' ;
MODEL : 'model' ;
TEST : 'test' ;
PARAM : 'param' ;
USE : 'use' ;
IMPORT : 'import' ;
STEP : 'step' ;
AS : 'as' ;

ELLIPSIS : '...' ;
RANGE : '..' ;
DOT : '.' ;
ARROW : '->' ;
EQ : '==' ;
NE : '!=' ;
LE : '<=' ;
GE : '>=' ;
LT : '<' ;
GT : '>' ;
ASSIGN : '=' ;
PLUS : '+' ;
MINUS : '-' ;
STAR : '*' ;
SLASH : '/' ;
PERCENT : '%' ;
AT : '@' ;
LPAREN : '(' ;
RPAREN : ')' ;
LBRACKET : '[' ;
RBRACKET : ']' ;
LBRACE : '{' ;
RBRACE : '}' ;
COMMA : ',' ;
COLON : ':' ;
SEMICOLON : ';' ;
BAR : '|' ;
QUESTION : '?' ;

NAME   : [A-Za-z_] [A-Za-z0-9_]* ;
INT    : '0x' [0-9a-fA-F_]+ | '0b' [01_]+ | [0-9] [0-9_]* ;
FLOAT  : [0-9] [0-9_]* ('.' [0-9]+ ([eE] [+-]? [0-9]+)? | [eE] [+-]? [0-9]+) ;
STRING : '"' (~["\\\r\n] | '\\' .)* '"' ;
COMMENT: '#' ~[\r\n]* -> channel(HIDDEN) ;
WS     : [ \t\r\n]+ -> skip ;
